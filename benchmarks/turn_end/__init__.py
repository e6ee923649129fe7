"""Where do turns end in recorded speech?"""
