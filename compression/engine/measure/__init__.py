"""What a runtime file costs and gains: accuracy, time and memory in ONNX Runtime."""
