// @MARKER@
"use strict";

var http = require("http");
var https = require("https");

/** Milliseconds that a call may take. */
var TIMEOUT = 30000;

/**
 * A call without a result. `code` and `status` are those of the server's answer; without an answer the status is 0,
 * and the code "unreachable" or "timeout". An answer that is none of turntable has the code "bad_answer".
 */
class ManagementError extends Error {
  constructor(code, message, status, details) {
    super(message);
    this.name = "ManagementError";
    this.code = code;
    this.status = status;
    if (details !== undefined) this.details = details;
  }
}

/**
 * A service at a server, by its definition (`service/NAME.js`), with a function for each method. Behind the arguments
 * come `onResult` and `onException`:
 *
 *     authService.set(1, "test", function (result) {}, function (exception) {});
 *
 * Without callbacks a function returns a promise.
 *
 * `host` is a name or an address, or in place of host and port a URL, which may have a path. Options: `token`, `timeout`
 * in milliseconds (30,000), and what `https.request` takes in `tls`.
 */
function HttpProxy(definition, host, port, options) {
  if (port !== null && typeof port === "object") {
    options = port;
    port = undefined;
  }
  var server = serverOf(host, port, options || {});
  Object.keys(definition.methods).forEach(function (name) {
    var names = definition.methods[name].params.map(function (param) {
      return param.name;
    });
    this[name] = function () {
      return call(server, definition.name, name, names, Array.prototype.slice.call(arguments));
    };
  }, this);
}

function serverOf(host, port, options) {
  var url;
  host = host === undefined ? "127.0.0.1" : String(host);
  if (host.indexOf("://") >= 0) {
    if (port !== undefined && port !== null) throw new TypeError("a URL has its port itself");
    url = new URL(host);
  } else {
    // An address of IPv6 is in brackets within a URL.
    var isBare = host.indexOf(":") >= 0 && host[0] !== "[";
    url = new URL("http://" + (isBare ? "[" + host + "]" : host) + ":" + (port || 8181));
  }
  var isPlain = url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if ((url.protocol !== "http:" && url.protocol !== "https:") || !isPlain) {
    throw new TypeError("accepted is a URL like http://127.0.0.1:8181, without a name, password or query");
  }
  var token = options.token;
  if (token !== undefined && token !== null && !/^[\x21-\x7e]+$/.test(token)) {
    throw new TypeError("a token is of visible ASCII characters");
  }
  return { base: url.origin + url.pathname.replace(/\/+$/, ""), token: token, timeout: options.timeout || TIMEOUT, tls: options.tls };
}

/** Carries out a call whose last one or two arguments may be its callbacks. */
function call(server, service, method, names, given) {
  var callbacks = [];
  while (callbacks.length < 2 && typeof given[given.length - 1] === "function") callbacks.unshift(given.pop());
  var parameters = {};
  given.forEach(function (value, index) {
    parameters[names[index]] = value;
  });
  function start(onResult, onException) {
    if (given.length > names.length) {
      var message = names.length === 0 ? "there are no arguments" : "the arguments are " + names.join(", ");
      process.nextTick(onException, new ManagementError("bad_message", message, 0));
    } else {
      post(server, service + "/" + method, JSON.stringify(parameters), onResult, onException);
    }
  }
  if (callbacks.length === 0) return new Promise(start);
  // What nothing handles is seen at least.
  start(callbacks[0], callbacks[1] || process.emitWarning);
}

/** Sends a request; one of the callbacks is called, once. */
function post(server, path, body, onResult, onException) {
  var timer;
  var isOver = false;
  function end(callback, value) {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    callback(value);
  }
  function fail(error) {
    end(onException, new ManagementError("unreachable", server.base + ": " + (error.message || error.code), 0));
  }
  var url = new URL(server.base + "/rpc/" + path);
  var headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  if (server.token !== undefined && server.token !== null) headers.authorization = "Bearer " + server.token;
  // A connection for each call: one that is used again may just have been closed.
  var options = Object.assign({}, server.tls, { method: "POST", headers: headers, agent: false });
  var request = (url.protocol === "https:" ? https : http).request(url, options, function (response) {
    var parts = [];
    response.on("data", function (part) {
      parts.push(part);
    });
    response.on("error", fail);
    response.on("aborted", function () {
      fail(new Error("the connection ended before the answer"));
    });
    response.on("end", function () {
      var answer = answerOf(response.statusCode, Buffer.concat(parts).toString("utf8"));
      if (answer.error) end(onException, answer.error);
      else end(onResult, answer.result);
    });
  });
  request.on("error", fail);
  timer = setTimeout(function () {
    end(onException, new ManagementError("timeout", "no answer within " + server.timeout + " ms", 0));
    request.destroy();
  }, server.timeout);
  request.end(body);
}

/** The result, or the error, that an answer has. */
function answerOf(status, text) {
  var json;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { error: new ManagementError("bad_answer", "the status is " + status + ", and the answer no JSON", status) };
  }
  if (status === 200) return { result: json };
  var refusal = (json && json.error) || {};
  if (typeof refusal.code === "string") {
    return { error: new ManagementError(refusal.code, refusal.message, status, refusal.details) };
  }
  return { error: new ManagementError("bad_answer", "the status is " + status + ", and the answer none of turntable", status) };
}

module.exports = HttpProxy;
module.exports.ManagementError = ManagementError;
