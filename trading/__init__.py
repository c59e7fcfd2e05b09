"""What should we do, and what did we do?"""
