"""How much can it lose?"""
