"""What drives the returns?"""
