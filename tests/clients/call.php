<?php
// Calls methods with the generated PHP classes. Arguments: their folder, the URL, the timeout in ms and a token, which
// may be missing. Standard input: a list of [service, method, [argument, ...]], or "methods".

declare(strict_types=1);
error_reporting(E_ALL);
set_error_handler(function ($number, $message, $file, $line) {
    // What is silenced with @ is expected.
    if (error_reporting() & $number) {
        throw new ErrorException($message, 0, $number, $file, $line);
    }
    return false;
});

list(, $folder, $url, $timeout) = $argv;
require "$folder/autoload.php";
$input = json_decode(file_get_contents('php://stdin'));
// Objects and arrays differ where they are empty.
$options = ['assoc' => false, 'timeout' => $timeout / 1000, 'token' => $argv[4] ?? null];

if ($input === 'methods') {
    $output = [];
    foreach (glob("$folder/NodeRPC/*/Service.php") as $file) {
        $name = basename(dirname($file));
        $methods = [];
        foreach ((new ReflectionClass("NodeRPC_{$name}_Service"))->getMethods() as $method) {
            if (!$method->isConstructor()) {
                $parameters = array_map(function ($parameter) {
                    return $parameter->getName();
                }, $method->getParameters());
                $methods[$method->getName()] = $parameters;
            }
        }
        $output[lcfirst($name)] = $methods;
    }
} else {
    $output = [];
    foreach ($input as list($service, $method, $arguments)) {
        $class = 'NodeRPC_' . ucfirst($service) . '_Service';
        try {
            $output[] = ['result' => (new $class($url, null, $options))->$method(...$arguments)];
        } catch (NodeRPC_Exception $error) {
            $output[] = ['error' => [
                'code' => $error->errorCode,
                'message' => $error->getMessage(),
                'status' => $error->status,
            ]];
        }
    }
}
echo json_encode($output, JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION), "\n";
