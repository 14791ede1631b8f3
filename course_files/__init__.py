"""What people bring: files, names, images and folders of them, read with care or refused in one line."""
