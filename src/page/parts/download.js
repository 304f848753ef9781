// @ts-check

/**
 * Lets the browser save text as a file.
 *
 * @param {string} name
 * @param {string} type
 * @param {string} text
 */
export function offerDownload(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
