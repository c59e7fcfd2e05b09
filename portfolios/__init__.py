"""What do we hold, and what is it worth?"""
