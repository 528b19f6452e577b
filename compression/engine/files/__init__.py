"""Network -> ONNX -> stored file -> ONNX, and where its bytes go."""
