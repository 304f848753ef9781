// @ts-check
import { html, useState } from '/page/lib/preact.js';
import { signIn } from '../api.js';
import { pollNow } from '../live.js';

/** Source: RFC 6750, section 2.1. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/**
 * Asks for a token, when the service does.
 * @param {{ refusal: string }} props why the service wants a token
 */
export function SignIn({ refusal }) {
  const [ownRefusal, setRefusal] = useState(/** @type {string | null} */ (null));
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const token = String(new FormData(form).get('token')).trim();
    if (token === '') return;
    // A browser cannot send other characters in a header.
    if (!TOKEN.test(token))
      return setRefusal('A token has only letters, digits, and the signs . _ ~ + / - =');
    signIn(token);
    void pollNow();
  };
  return html`
    <section class="sign-in">
      <h1>Sign in</h1>
      <p role="alert">${ownRefusal ?? refusal}</p>
      <form onSubmit=${submit}>
        <label>
          Token
          <input name="token" type="password" autocomplete="off" required autofocus />
        </label>
        <button class="primary">Sign in</button>
      </form>
      <p class="faint">
        The page keeps the token until this tab closes. The people who run the service make tokens
        ${' '}with <code>npx allocation token create</code>. A token of your OpenID Connect provider
        ${' '}works too.
        The role <b>read</b> shows everything; the role <b>operate</b> may act.
      </p>
    </section>
  `;
}
