"""Simulates random whole calls on a virtual clock, and checks the rules that must hold in all."""
