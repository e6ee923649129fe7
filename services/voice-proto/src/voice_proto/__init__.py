"""The contract of `proto/voice_workflow.proto`: voice_workflow_pb2* are generated from it."""
