-- Version 1 of what is kept. Later versions are added in `database.MIGRATIONS`; this text is never edited again.
-- What a person says of a case (label, place, region) is `mark`: rows are only ever added, the newest row of a
-- case and kind counts, and an undo is one more row that repeats the value of before.

create table meta(version integer not null) strict;

create table setting(key text primary key, value text not null) strict;

create table project(
    id text primary key,
    name text not null,
    created real not null,
    demo integer not null default 0,
    classes text not null,      -- JSON [{"id", "name", "removed"}], in the order of the keys 1-9
    settings text not null,     -- JSON: learner, seed, use_places, ...
    removed integer not null default 0
) strict;

create table upload(
    id text primary key,
    project_id text references project(id),  -- null: a project's own file, to be opened as a new project
    session text not null,      -- only the session that began an upload may add to it
    name text not null,         -- emptied when the files have been read: it may name a patient
    state text not null check (state in ('open', 'received', 'taken', 'cancelled', 'failed')),
    files integer not null,
    bytes integer not null,
    manifest text not null,     -- hash of names and sizes: the same drop goes on where it stopped
    created real not null,
    ended real
) strict;

create table case_(
    id text primary key,
    kind text not null,
    patient text not null,
    site text not null,
    json text not null,         -- engine.nouns.Case
    added real not null,
    upload text
) strict;

create table project_case(
    project_id text not null references project(id),
    case_id text not null references case_(id),
    position integer not null,
    number integer not null,    -- "Case 07": given once, never given again in this project
    removed integer not null default 0,
    primary key (project_id, case_id),
    unique (project_id, number)
) strict;

create table mark(
    id integer primary key autoincrement,
    project_id text not null,
    case_id text not null,
    kind text not null check (kind in ('label', 'place', 'region')),
    value text,                 -- JSON; null clears
    reader text not null,
    undoes integer references mark(id),
    at real not null,
    foreign key (project_id, case_id) references project_case(project_id, case_id)
) strict;
create index mark_newest on mark(project_id, kind, case_id, id);
create unique index mark_undone_once on mark(undoes) where undoes is not null;
create trigger mark_stays before update on mark begin select raise(abort, 'marks are only ever added'); end;

create table refused(
    id integer primary key,
    project_id text not null references project(id),
    upload text,
    file text not null,
    note text not null,         -- JSON of engine.nouns.Note
    at real not null
) strict;

create table run(
    id text primary key,
    project_id text not null references project(id),
    json text not null,
    at real not null
) strict;
create index run_newest on run(project_id, at);

create table prediction(
    run_id text not null references run(id),
    case_id text not null references case_(id),
    json text not null,
    primary key (run_id, case_id)
) strict;

create table session(
    token_hash text primary key, -- SHA-256 of the cookie, so that a copy of this file opens no door
    who text not null,
    created real not null,
    seen real not null,
    login integer not null       -- 1: opened with the password
) strict;

create table audit(
    id integer primary key autoincrement,
    at text not null,
    who text not null,
    what text not null,
    project text not null,
    case_id text not null,
    detail text not null,
    hash text not null           -- SHA-256 over the previous row's hash and this row
) strict;
create trigger audit_no_update before update on audit begin select raise(abort, 'the audit log is append-only'); end;
create trigger audit_no_delete before delete on audit begin select raise(abort, 'the audit log is append-only'); end;
