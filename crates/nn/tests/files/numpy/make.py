"""Writes the files beside it with NumPy (the committed ones are from 2.4). Run it in its directory."""

import numpy as np

x = np.array([[0.5, -1, 2], [3, 1e-3, 5]])
np.save("c.npy", x.astype("<f4"))
np.save("fortran.npy", np.asfortranarray(x))
np.save("images.npy", np.arange(12, dtype=np.uint8).reshape(2, 3, 2))
np.save("images_fortran.npy", np.asfortranarray(np.arange(12, dtype=np.int32).reshape(2, 3, 2)))
np.save("big_endian.npy", (x * 1000).astype(">i2"))
np.save("labels.npy", np.array([2, 0]))
np.save("bools.npy", np.array([True, False]))
np.save("values.npy", np.array([[1.5, 2.5], [-1, 0]]))
np.save("text.npy", np.array(["a", "b"]))
np.savez("stored.npz", x=x, y=np.array([2, 0], dtype=np.uint8))
np.savez_compressed("deflated.npz", x=x, y=np.array([2, 0], dtype=np.uint8))
