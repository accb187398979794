"""Seatrial: builds GPU and AI container images, proves what is in them, lets only proven digests ship.

    image.yaml ── parse ── check ── build ──┬── measure ──┐
                                            ├── scan ─────┼── verdict ── push ── sign, attest ── report
                                            └── smoke ────┘

Each stage is a module of its name: a function from values to a value. Start at flow.py; the values are in
model.py, the failures in errors.py, and tools.py is the only place that starts outside programs.
"""
