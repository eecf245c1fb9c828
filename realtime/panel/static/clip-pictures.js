// Pictures and answers that need the key.

// Show a picture of the program in an image; the one before stays until it is there.
export async function showPicture(link, image, path, options) {
  image.dataset.path = path;
  try {
    const answer = await link.fetch(path, options);
    if (!answer.ok) return;
    showBlob(image, await answer.blob(), path);
  } catch {
    // The program is gone; the page says so.
  }
}

function showBlob(image, blob, path) {
  // Another picture may have been asked for meanwhile.
  if (image.dataset.path !== path) return;
  const before = image.src;
  image.src = URL.createObjectURL(blob);
  image.hidden = false;
  if (before.startsWith("blob:")) URL.revokeObjectURL(before);
}

export function clearPicture(image) {
  if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
  image.removeAttribute("src");
  image.dataset.path = "";
  image.hidden = true;
}

// What the program answers to a request with choices; a refusal becomes an error with its sentence.
export async function request(link, path, body) {
  const answer = await link.fetch(path, { method: "POST", body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(await refusal(answer));
  return answer;
}

export async function refusal(answer) {
  try {
    return (await answer.json()).refused ?? "";
  } catch {
    return "";
  }
}

// A number as the page's language writes it, with one decimal.
export function decimal(number) {
  const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return number.toLocaleString(document.documentElement.lang, digits);
}

// 75 becomes 1:15.0, 9.5 becomes 0:09.5.
export function clockTime(seconds, digits = 1) {
  const minutes = Math.floor(seconds / 60);
  const rest = (seconds - 60 * minutes).toFixed(digits);
  return `${minutes}:${rest.padStart(digits ? digits + 3 : 2, "0")}`;
}
