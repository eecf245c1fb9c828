"""Networks, weights and runtimes: everything that turns a photo and keypoints into a picture."""
