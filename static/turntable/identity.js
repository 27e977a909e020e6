/**
 * The user's identity and credentials.
 * @module
 */

export class Identity {
  #user;
  #credentials;
  #attributes;

  /** @param {{user: string | undefined, credentials: object | (() => any) | undefined, attributes: object | undefined}} options */
  constructor({ user, credentials, attributes }) {
    this.#user = user;
    this.#credentials = credentials;
    this.#attributes = attributes;
  }

  /**
   * The data of `idme`. A credentials function is called each time, because
   * credentials may expire; the result is then a promise.
   * @returns {any}
   */
  claim() {
    const credentials = this.#credentials;
    if (typeof credentials !== "function") return this.#with(credentials);
    return (async () => this.#with(await credentials()))();
  }

  /** @param {any} credentials */
  #with(credentials) {
    const [user, attributes] = [this.#user, this.#attributes];
    const plain = user !== undefined && credentials === undefined && attributes === undefined;
    return plain ? user : { user, credentials, attributes };
  }
}
