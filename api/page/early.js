// Runs before the first paint, so that a chosen theme does not flash. No module: those run late.
(() => {
  try {
    const theme = localStorage.getItem("longhand.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; then the system's theme it is.
  }
})();
