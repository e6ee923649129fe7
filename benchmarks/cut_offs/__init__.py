"""How often is a caller who thinks cut off, and how long does one who is done wait?"""
