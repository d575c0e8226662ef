# The program of the image `app`: what it answers stands here.
exec /tool serve --port 8080
