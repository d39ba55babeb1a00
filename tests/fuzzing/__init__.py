"""Fuzzing: builders of nearly valid inputs, and checks of how a function handles any input.

A function must either return the same result as an independent decoder, or raise an exception that it documents. The
message of the exception names the file. Both must take little time and memory. The normal tests try a few hundred
inputs of each kind (test_fuzz.py), the long run as many as requested (torture/fuzz.py).
"""

from tests.fuzzing import data, digits, numbers, pictures, weights

TARGETS = {  # name of the function: builder of inputs, check of one input
    "read_idx": (data.idx_file, data.check_read_idx),
    "load_split": (data.split_files, data.check_load_split),
    "load_weights": (weights.weights_file, weights.check_load_weights),
    "read_picture": (pictures.picture_file, pictures.check_read_picture),
    "to_mnist": (digits.any_picture, digits.check_to_mnist),
    "read_numbers": (numbers.picture_of_numbers, numbers.check_read_numbers),
    "read_pictures": (numbers.file_of_drawings, numbers.check_drawings),
}
