"""DESIGN.md's section 4 written down once more, to be judged alone: no package, no scanner, no Django.

``clauses`` names each clause of each rule with its argument; ``readers`` and ``writers`` say the rules;
``tables``, ``queries`` and ``writes`` draw what they are tried on.
"""
