"""How fast: meta-steps, heads, episodes, adapting and embedding, beside other libraries. `make bench-learners` runs it.

    python -m benchmarks.learners_speed                 everything (some four minutes of one core)
    python -m benchmarks.learners_speed meta heads      some of it

Every table is one run in which the contestants take turns; the gradient each finds is compared in 64 bits first. The
floor is what the operations of a meta-step would take at the rate at which this core multiplies matrices.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable

import torch

from benchmarks import speed_embedding, speed_heads, speed_meta_steps
from benchmarks.convnet import Body
from benchmarks.measuring import (
    has_bf16,
    operations,
    operations_a_second,
    peak_megabytes,
    processor,
    take_turns,
)
from benchmarks.peers import missing, peer
from engine.encoders import load_encoder
from engine.learners import Support, learners
from engine.learners.protocol import class_means
from engine.learners.protonet import squared_distances

ROUNDS = 5
LABELLED, CLASSES, ASKED = 20, 2, 20
EPISODE = (5, 5, 15)  # ways, shots, queries


def meta() -> None:
    """Second order, first order, ANIL: time, memory, error of the gradient, floor."""
    m = speed_meta_steps
    contestants = {"ours": m.ours, "ours first order": m.ours_first_order, "ours ANIL": m.ours_anil}
    for name, way in (("learn2learn", m.learn2learn), ("higher", m.higher), ("torchopt", m.torchopt)):
        if peer(name):
            contestants[name] = way
        else:
            print(missing(name))
    if peer("learn2learn"):
        contestants["learn2learn first order"] = lambda at: m.learn2learn(at, True)
        contestants["learn2learn ANIL"] = m.learn2learn_anil
    double = m.setting(16, torch.float64)
    errors = gradient_errors(contestants, double)
    for filters in (32, 64):
        at = m.setting(filters)
        running = {name: lambda way=way, at=at: way(at) for name, way in contestants.items()}
        times = take_turns(running, ROUNDS if filters == 32 else 3)
        rate = operations_a_second()
        print(f"\nOne meta-step, {filters} filters, 4 tasks, 5-way 5-shot, 15 queries a class, 5 inner steps")
        print(f"{'':26} {'CPU-s':>7} {'vs 2nd order':>13} {'extra MB':>9} {'error':>9} {'floor s':>8}")
        base = times.get("learn2learn", times["ours"])
        for name, seconds in times.items():
            floor = operations(running[name]) / rate
            cells = f"{seconds:7.2f} {base / seconds:12.2f}x {peak_megabytes(running[name]):9.0f}"
            print(f"{name:26} {cells} {errors[name]:9.1e} {floor:8.2f}", flush=True)
    print("'vs 2nd order': times faster than learn2learn's second order (ours where it isn't here).")
    in_bf16(at)


def in_bf16(at: speed_meta_steps.Setting) -> None:
    """Half the bits, for one task of 64 filters; emulated where the processor has no such instructions."""
    m = speed_meta_steps
    one = m.Setting(at.net, at.tasks[:1])
    running = {"32 bits": lambda: m.ours(one), "bf16": lambda: m.ours_in_bf16(one)}
    times = take_turns(running, ROUNDS if has_bf16() else 1)
    memory = {name: peak_megabytes(work) for name, work in running.items()}
    cells = ", ".join(f"{name} {times[name]:.2f} CPU-s and {memory[name]:.0f} MB" for name in running)
    print(f"Second order, 64 filters, one task: {cells}: {times['32 bits'] / times['bf16']:.2f}x", flush=True)
    if not has_bf16():
        print("This processor has no bf16 instructions, so bf16 is emulated here: no gain is claimed.")


def gradient_errors(contestants: dict[str, Callable], at: speed_meta_steps.Setting) -> dict[str, float]:
    """Relative to ours of the same kind, in float64."""
    found = {name: way(at) for name, way in contestants.items()}
    return {
        name: speed_meta_steps.apart(gradient, found["ours" + name.removeprefix("ours").removeprefix("learn2learn")])
        if name.split()[0] in ("ours", "learn2learn")
        else speed_meta_steps.apart(gradient, found["ours"])
        for name, gradient in found.items()
    }


def heads() -> None:
    """Inner loops over embeddings and records, all tasks at once."""
    h = speed_heads
    pairs = (
        (
            f"rows over embeddings, {h.DIMENSIONS} numbers, 15 cases",
            h.head_tasks,
            h.heads_at_once,
            h.heads_by_learn2learn,
        ),
        ("1-40-40-1 network", h.curve_tasks, h.curves_at_once, h.curves_by_learn2learn),
    )
    print(f"\nOne meta-step of {h.TASKS} tasks, {h.STEPS} inner steps, second order")
    for name, make, once, one_by_one in pairs:
        tasks, double = make(torch.float32), make(torch.float64)
        running = {"at once": lambda tasks=tasks, once=once: once(tasks)}
        if peer("learn2learn"):
            running["learn2learn"] = lambda tasks=tasks, one_by_one=one_by_one: one_by_one(tasks)
        times = take_turns(running, 2 * ROUNDS)
        if "learn2learn" not in times:
            print(f"{name}: {1000 * times['at once']:.1f} ms; {missing('learn2learn')}")
            continue
        error = speed_meta_steps.apart(once(double), one_by_one(double))
        faster = times["learn2learn"] / times["at once"]
        cells = f"{1000 * times['at once']:.1f} ms, learn2learn {1000 * times['learn2learn']:.1f} ms: {faster:.1f}x"
        print(f"{name}: {cells}, relative error of the gradient {error:.0e}", flush=True)


def prototypes() -> None:
    """Episodes a second of prototypes: the same body, features to scores."""
    ways, shots, queries = EPISODE
    torch.manual_seed(0)
    body = Body("running").eval()
    x, q = torch.randn(ways * shots, 1, 28, 28), torch.randn(ways * queries, 1, 28, 28)
    y = torch.arange(ways).repeat_interleave(shots)

    def ours() -> torch.Tensor:
        with torch.no_grad():
            features = body(torch.cat([x, q]))
            return -squared_distances(features[len(x) :], class_means(features[: len(x)], y, ways))

    running: dict[str, Callable[[], torch.Tensor]] = {"ours": ours}
    if peer("easyfsl"):
        theirs = peer("easyfsl").PrototypicalNetworks(body)

        def easyfsl() -> torch.Tensor:
            with torch.no_grad():
                theirs.process_support_set(x, y)
                return theirs(q)

        running["easyfsl"] = easyfsl
        assert torch.equal(ours().argmax(1), easyfsl().argmax(1))
    times = take_turns(running, 20)
    told = ", ".join(f"{name} {1 / seconds:.0f}" for name, seconds in times.items())
    print(f"\nPrototype episodes a second ({ways}-way {shots}-shot, {queries} queries, strided net of 64): {told}")
    if "easyfsl" not in running:
        print(missing("easyfsl"))


def adapting() -> None:
    """Every learner on cached embeddings."""
    torch.manual_seed(0)
    dimensions = load_encoder().embedder.dimensions
    y = torch.arange(LABELLED) % CLASSES
    centres = torch.randn(CLASSES, dimensions) / 4
    x, q = centres[y] + torch.randn(LABELLED, dimensions), torch.randn(ASKED, dimensions)
    names = tuple(f"class {k}" for k in range(CLASSES))
    support = Support(x, y, names, tuple(str(i) for i in range(LABELLED)))
    running = {
        each.name: lambda each=each: each.adapt(support).probabilities(q).sum().item() for each in learners("classes")
    }
    print(f"\nAdapting to {LABELLED} labelled cases of {dimensions} numbers and answering {ASKED}")
    for name, seconds in take_turns(running, ROUNDS).items():
        print(f"{name:18} {1000 * seconds:7.1f} ms", flush=True)


def embedding() -> None:
    """Pictures a CPU second at 128 px."""
    views, ways = speed_embedding.pictures(), speed_embedding.ways()
    plain, *others = ways
    right = ways[plain](views)
    times = take_turns({name: lambda way=way: way(views) for name, way in ways.items()}, ROUNDS)
    print(f"\nEmbedding pictures at {speed_embedding.PX} px, batches of {speed_embedding.PICTURES}")
    for name in (plain, *others):
        error = float((ways[name](views) - right).norm() / right.norm())
        faster = times[plain] / times[name]
        print(f"{name:28} {len(views) / times[name]:6.0f} a CPU-s {faster:5.2f}x, differs by {error:.0e}", flush=True)
    for package in ("openvino", "onnxruntime"):
        if not speed_embedding.found(package):
            print(missing(package))
    if not has_bf16():
        print("Without bf16 instructions bf16 is emulated, slow and coarse: the product doesn't use it here.")


def graphics() -> None:
    """vmap over tasks pays on a graphics card alone: there are none of its figures without one."""
    if not torch.cuda.is_available():
        print("\nvmap over tasks on a graphics card: there is none here, so nothing was measured.")
        return
    print("\nA graphics card is here, but this benchmark doesn't measure it yet.")


PARTS = {
    "meta": meta,
    "heads": heads,
    "prototypes": prototypes,
    "adapting": adapting,
    "embedding": embedding,
    "graphics": graphics,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=tuple(PARTS), metavar="PART", help=", ".join(PARTS))
    parts = parser.parse_args().parts
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; choose of {', '.join(PARTS)}")
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=UserWarning)  # of the peers, about torch
    print(processor())
    for part in parts:
        PARTS[part]()


if __name__ == "__main__":
    main()
