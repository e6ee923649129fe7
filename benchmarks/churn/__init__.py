"""Does anything grow while calls come and go, in every way that they can?"""
