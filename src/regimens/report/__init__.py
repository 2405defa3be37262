"""The report: result files in, `reports/` out. Reads files only, so that it never depends on a database.

Start with `build.py`, which makes all of it; a module here is a section, a kind of figure, or a table.
"""
