"""What tests of networks and names share."""


def ipam(subnet, **rest):
    return {"Driver": "default", "Config": [{"Subnet": subnet, **rest}]}


def on(api, net, *command, name=None, endpoint=None, host=None, **config):
    """A running container on a network."""
    return api.run(*(command or ("sleep", "1000")), name=name, host={"NetworkMode": net, **(host or {})},
                   NetworkingConfig={"EndpointsConfig": {net: endpoint or {}}}, **config)


def endpoint_of(api, container, net):
    return api.inspect(container)["NetworkSettings"]["Networks"][net]
