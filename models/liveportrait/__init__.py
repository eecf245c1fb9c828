"""The backend `liveportrait`: 21 learnt keypoints in space, pictures of 512 x 512."""
