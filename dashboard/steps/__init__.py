"""One file a step: read state, call the engine's store or file a job, draw. Nothing is computed here."""
