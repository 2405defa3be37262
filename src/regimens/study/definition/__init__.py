"""What a study asks: a composed configuration and a command line in; a `Study`, its cells and trials, out.

Start with `define.py`, which calls the others in order: `command_line` (which overrides are axes), `composer` (Hydra),
`search_space` (ranges and the points drawn from them), `identity` (what tells two studies apart), `engine_plan`.
"""
