export default messages;
/** @type {import("../element/words.js").Messages} */
declare const messages: import("../element/words.js").Messages;
