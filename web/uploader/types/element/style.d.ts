/** Made with the first element: a server that only imports this has no style sheets. */
export function styleSheet(): CSSStyleSheet;
