"""Everything heavy, and the one room that needs torch, onnx and ONNX Runtime: networks, techniques, files, numbers."""
