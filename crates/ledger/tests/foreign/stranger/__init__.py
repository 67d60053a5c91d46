"""A verifier of Wattproof's ledgers and bills, written from docs/protocol.md alone. It shares no code with the program.

Section numbers in the modules are those of docs/protocol.md.
"""
