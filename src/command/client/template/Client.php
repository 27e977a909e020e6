<?php
// @MARKER@

/** Sends calls to a management listener. */
class NodeRPC_Client
{
    /** Seconds that the server may be silent in a call. */
    const TIMEOUT = 30.0;

    private $base;
    private $token;
    private $timeout;
    private $ssl;
    private $assoc;

    /**
     * Options: `token`; `timeout`, how many seconds the server may be silent (30); `ssl`, the context options of that
     * name; `assoc`, whether objects in results are arrays (true) or objects (false), which differ where they are empty.
     *
     * @param string $host a name or an address, or in place of host and port a URL, which may have a path
     * @param int|null $port 8181 without one
     * @param array{token?: string|null, timeout?: float, ssl?: array<string, mixed>, assoc?: bool} $options
     */
    public function __construct($host = '127.0.0.1', $port = null, array $options = [])
    {
        if (strpos($host, '://') !== false) {
            if ($port !== null) {
                throw new InvalidArgumentException('a URL has its port itself');
            }
            $url = $host;
        } else {
            // An address of IPv6 is in brackets within a URL.
            $isBare = strpos($host, ':') !== false && $host[0] !== '[';
            $url = 'http://' . ($isBare ? "[$host]" : $host) . ':' . ($port === null ? 8181 : (int) $port);
        }
        $parts = parse_url($url);
        $isPlain = is_array($parts) && !array_intersect_key($parts, array_flip(['user', 'pass', 'query', 'fragment']));
        if (!$isPlain || !isset($parts['scheme'], $parts['host']) || !in_array($parts['scheme'], ['http', 'https'], true)) {
            throw new InvalidArgumentException(
                'accepted is a URL like http://127.0.0.1:8181, without a name, password or query'
            );
        }
        $this->base = rtrim($url, '/');
        $this->token = isset($options['token']) ? $options['token'] : null;
        if ($this->token !== null && !preg_match('/^[\x21-\x7e]+$/D', $this->token)) {
            throw new InvalidArgumentException('a token is of visible ASCII characters');
        }
        $this->timeout = isset($options['timeout']) ? (float) $options['timeout'] : self::TIMEOUT;
        $this->ssl = isset($options['ssl']) ? $options['ssl'] : [];
        $this->assoc = isset($options['assoc']) ? (bool) $options['assoc'] : true;
    }

    /** An array as a list. */
    public static function items($value)
    {
        return is_array($value) ? array_values($value) : $value;
    }

    /** An array as an object, an empty one too. */
    public static function object($value)
    {
        return is_array($value) ? (object) $value : $value;
    }

    /**
     * Calls a method.
     *
     * @param string $method as "user/kick"
     * @param array<string, mixed> $needed parameters by their names
     * @param array<string, mixed> $optional those that are left out where they are null
     * @return mixed the result
     * @throws NodeRPC_Exception
     */
    public function call($method, array $needed, array $optional)
    {
        foreach ($optional as $name => $value) {
            if ($value !== null) {
                $needed[$name] = $value;
            }
        }
        $flags = JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION;
        $body = json_encode((object) $needed, $flags);
        if ($body === false) {
            throw new NodeRPC_Exception('bad_message', 'the arguments are no JSON: ' . json_last_error_msg(), 0);
        }
        list($status, $text) = $this->post($this->base . '/rpc/' . $method, $body);
        $answer = json_decode($text, $this->assoc);
        if ($answer === null && json_last_error() !== JSON_ERROR_NONE) {
            throw new NodeRPC_Exception('bad_answer', "the status is $status, and the answer no JSON", $status);
        }
        if ($status === 200) {
            return $answer;
        }
        $error = (array) $answer;
        $error = isset($error['error']) ? (array) $error['error'] : [];
        if (isset($error['code']) && is_string($error['code'])) {
            $message = isset($error['message']) ? (string) $error['message'] : '';
            $details = isset($error['details']) ? $error['details'] : null;
            throw new NodeRPC_Exception($error['code'], $message, $status, $details);
        }
        throw new NodeRPC_Exception('bad_answer', "the status is $status, and the answer none of turntable", $status);
    }

    /** Sends a request; returns the status and the body of its answer. */
    private function post($url, $body)
    {
        $headers = ['Content-Type: application/json', 'Connection: close'];
        if ($this->token !== null) {
            $headers[] = 'Authorization: Bearer ' . $this->token;
        }
        $context = stream_context_create([
            'http' => [
                'method' => 'POST',
                'header' => $headers,
                'content' => $body,
                'protocol_version' => 1.1,
                'timeout' => $this->timeout,
                'ignore_errors' => true,
                // The token is for this server: a redirection is an error.
                'follow_location' => 0,
            ],
            'ssl' => $this->ssl,
        ]);
        $start = microtime(true);
        error_clear_last();
        $stream = @fopen($url, 'rb', false, $context);
        if ($stream === false) {
            // PHP does not say which failure it was.
            if (microtime(true) - $start >= $this->timeout) {
                throw $this->late();
            }
            $last = error_get_last();
            $reason = $last === null ? 'no answer' : preg_replace('/^.*?\): /s', '', $last['message']);
            throw new NodeRPC_Exception('unreachable', $this->base . ': ' . $reason, 0);
        }
        $text = stream_get_contents($stream);
        $meta = stream_get_meta_data($stream);
        fclose($stream);
        if ($text === false || $meta['timed_out']) {
            throw $this->late();
        }
        $status = 0;
        foreach ((array) $meta['wrapper_data'] as $line) {
            if (is_string($line) && preg_match('/^HTTP\/\S+ (\d{3})/', $line, $match)) {
                $status = (int) $match[1];
            }
        }
        return [$status, $text];
    }

    private function late()
    {
        return new NodeRPC_Exception('timeout', "no answer within {$this->timeout} s", 0);
    }
}
