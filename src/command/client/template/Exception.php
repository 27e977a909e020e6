<?php
// @MARKER@

/**
 * A call without a result.
 *
 * $errorCode and $status are those of the server's answer; without an answer the status is 0, and the code
 * "unreachable" or "timeout". An answer that is none of turntable has the code "bad_answer". getCode() is the status.
 */
class NodeRPC_Exception extends Exception
{
    /** @var string the code, as "not_found" */
    public $errorCode;

    /** @var int the status, as 404 */
    public $status;

    /** @var mixed what else the server says of the error, or null */
    public $details;

    public function __construct(string $errorCode, string $message, int $status, $details = null)
    {
        parent::__construct($message, $status);
        $this->errorCode = $errorCode;
        $this->status = $status;
        $this->details = $details;
    }
}
