"""What do callers hear while the services are killed, paused and reset?"""
