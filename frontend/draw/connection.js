// While the page's own server is away, Streamlit covers the page with a dialog that says so. Drawing continues without the server,
// and the card says when it is away, so the dialog is closed; Streamlit has no setting for this.

export class Connection {
  constructor() {
    this.observer = new MutationObserver(() => this.#closeDialog());
    this.observer.observe(document.body, { childList: true });
    this.#closeDialog();
  }

  #closeDialog() {
    const dialog = document.querySelector('[data-testid="stDialog"]');
    if (dialog?.textContent.includes("Connection error")) dialog.querySelector('[aria-label="Close"]').click();
  }

  stop() {
    this.observer.disconnect();
  }
}
