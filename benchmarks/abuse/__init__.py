"""Does a call keep its pace beside callers who mean ill?"""
