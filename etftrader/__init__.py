"""The roof: who opens the door, and when does the clock strike?"""
