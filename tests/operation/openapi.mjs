// Validates the OpenAPI document at a URL by the specification's own schemas; prints `ok`.

import assert from "node:assert/strict";
import { Validator } from "@seriousme/openapi-schema-validator";

const [url] = process.argv.slice(2);
const document = await (await fetch(url)).json();
const validator = new Validator();
const { valid, errors } = await validator.validate(document);
assert.ok(valid, JSON.stringify(errors, null, 2));
assert.equal(validator.version, "3.1");
console.log("ok");
