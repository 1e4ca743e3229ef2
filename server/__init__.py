"""The gRPC server: plays leagues, keeps everything, serves what it kept."""
