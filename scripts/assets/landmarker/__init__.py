"""Where the face networks of `models/face/weights` come from."""
