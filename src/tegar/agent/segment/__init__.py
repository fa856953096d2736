"""L2 segments of networks: where guests' and routers' interfaces are plugged in, whatever the host switches with."""
