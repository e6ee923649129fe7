"""The contract of `proto/voice_workflow.proto`; everything beside this file is generated."""
