"""What pages are made of: here what several pages use, in folders what belongs to one page.

Each component owns its session-state keys and returns typed values.
"""
