"""How much of what people bring is taken, each limit with its reason. Torch-free."""

MOST_IMAGES = 200_000
"""More than any data set that a network of this size learns from; each costs about 1 KB while it is read."""

MOST_FILES = 400_000
"""Of all kinds, in a zip file or a folder: some tools put a second, hidden file beside each image."""

DEEPEST_FOLDER = 16
"""Folders above an image: real data sets have at most six; without a limit a folder of folders never ends."""

MOST_IMAGE_BYTES = 32_000_000
"""Of one encoded image: what a good camera writes; it is held in memory as a whole."""

MOST_PIXELS = 40_000_000
"""Of one image: as many as cameras have. Decoded they take up to 10 bytes each while alpha is laid on white."""

MOST_UNPACKED_BYTES = 4_000_000_000
"""Of all that is kept: it lies on the disk once more for each size that a network takes."""

MOST_ENTRY_RATIO = 250
"""How often larger an entry of a zip file may be unpacked: drawings stay below 200, bombs reach 1,000 and more."""

MOST_RATIO = 100
"""The same for the whole zip file: no data set of drawings consists of empty ones."""

HARMLESS_BYTES = 1_000_000
"""What unpacks to less, an entry or a whole file, does no harm however well it was packed."""

MOST_CLASSES = 1000
"""As ImageNet has; tables of all classes stay readable."""

LONGEST_CLASS_NAME = 100
"""Characters: what a table still shows in one line or two."""

LONGEST_NAME_BYTES = 255
"""Of one file or folder: what file systems allow."""

TAKE_IN_SECONDS = 900
"""Five times what 4 GB of photographs take on one slow core."""

TAKE_IN_MEMORY_BYTES = 2_000_000_000
"""Twice what the largest image takes while it is decoded, and the names of the most files."""

MOST_NETWORK_BYTES = 2_000_000_000
"""Of a file with a network or its weights: what one ONNX file can hold."""

NETWORK_SECONDS = 600
"""Ten times what the largest classifiers of torchvision take to be read, followed and run once."""

NETWORK_MEMORY_BYTES = 4_000_000_000
"""Besides what its size accounts for: torch's own libraries take a gigabyte, the maps of a large image as much."""

NETWORK_MEMORY_RATIO = 6
"""Memory over the size of a network's file: it is held as it came, as tensors, as a graph, and by ONNX Runtime."""
