"""Counts of processor instructions of the hottest paths, kept in ``benchmarks/instructions.json``.

Times on a machine that does other things as well tell nothing of 5 %; under callgrind the same code runs the
same instructions, whatever else goes on. ``make guard`` counts anew and compares, ``make guard-update`` keeps
what was counted.
"""
