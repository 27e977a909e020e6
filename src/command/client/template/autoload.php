<?php
// @MARKER@

/** The class NodeRPC_Auth_Service is in NodeRPC/Auth/Service.php, and so on. */
spl_autoload_register(function ($class) {
    if (preg_match('/^NodeRPC(_[A-Za-z0-9]+)+$/', $class)) {
        $file = __DIR__ . '/' . str_replace('_', '/', $class) . '.php';
        if (is_file($file)) {
            require $file;
        }
    }
});
