//! The programs of seed 002, as they are there, but for the port.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use turntable_testkit::Server;
use turntable_testkit::http::get;

use crate::language::{Client, Language};

const NODE: &str = r#"
var authServiceDefinition = require('service/auth.js');
var authService = new (require('rpc/proxy/http'))(authServiceDefinition, '127.0.0.1', 8181);
authService.set(1, 'test', function(resultOnSuccess) {
  console.log('result', resultOnSuccess);
  authService.set(2, 'test', function(resultOnSuccess) {}, function(exception) {
    console.log('exception', exception.code, exception.status);
  });
}, function(exception) {});
"#;

const PROMISES: &str = r#"
const definition = require('service/auth.js');
const auth = new (require('rpc/proxy/http'))(definition, '127.0.0.1', 8181);
(async () => {
  console.log('result', await auth.set(1, 'test'));
  await auth.set(2, 'test').catch((exception) => console.log('exception', exception.code, exception.status));
})();
"#;

const PHP: &str = r#"<?php
require 'autoload.php';
$authService = new NodeRPC_Auth_Service('127.0.0.1', 8181);
$result = $authService->set(1, 'test');
echo 'result ', json_encode($result), "\n";
try {
    $authService->set(2, 'test');
} catch (NodeRPC_Exception $exception) {
    echo 'exception ', $exception->errorCode, ' ', $exception->getCode(), "\n";
}
"#;

/// What each program prints.
const PRINTED: &str = "result true\nexception conflict 409\n";

/// Runs a program in the folder of a client, where its paths are found.
fn run(client: &Client, name: &str, program: &str) {
    let server = Server::start();
    let port = server.management.port().to_string();
    let file = client.folder().join(name);
    fs::write(&file, program.replace("8181", &port)).unwrap();
    let command = match client.language {
        Language::Php => "php",
        _ => "node",
    };
    let output = Command::new(command)
        .arg(&file)
        .env("NODE_PATH", client.folder())
        .current_dir(client.folder())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), PRINTED, "{error}");
    let set: Value = get(server.management, "/auth/check/test").json();
    assert_eq!(set, json!("1:1"));
}

#[test]
fn node_program_of_the_seed_gets_its_result_and_its_exception() {
    if let Some(client) = Language::Callbacks.client() {
        run(&client, "program.cjs", NODE);
        run(&client, "promises.cjs", PROMISES);
    }
}

#[test]
fn php_program_of_the_seed_sets_a_session() {
    if let Some(client) = Language::Php.client() {
        run(&client, "program.php", PHP);
    }
}
