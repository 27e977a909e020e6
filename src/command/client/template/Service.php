<?php
// @MARKER@

/** The service `@SERVICE_NAME@`. */
class NodeRPC_@SERVICE_CLASS@_Service
{
    private $client;

    /**
     * @param string $host a name or an address, or in place of host and port a URL, which may have a path
     * @param int|null $port 8181 without one
     * @param array $options see NodeRPC_Client
     */
    public function __construct($host = '127.0.0.1', $port = null, array $options = [])
    {
        $this->client = new NodeRPC_Client($host, $port, $options);
    }
@SERVICE_METHODS@
}
