// Runs before the first paint, so that neither the theme nor the language flashes. No module: those run late.

(() => {
  const html = document.documentElement;
  const kept = (name) => {
    try {
      return localStorage.getItem(`longhand.${name}`);
    } catch {
      return null; // storage may be forbidden; then it is as the system has it
    }
  };
  const theme = kept("theme");
  if (theme === "light" || theme === "dark") html.dataset.theme = theme;
  // The first language of the browser that the page speaks. Traditional Chinese is nearer to the Simplified than to English.
  const known = [kept("language"), ...(navigator.languages ?? [navigator.language]), "en"];
  const language = known.find((one) => /^(en|zh)\b/i.test(one ?? "")).slice(0, 2).toLowerCase();
  html.lang = language === "zh" ? "zh-CN" : "en";
})();
