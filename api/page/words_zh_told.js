// 服务器用英文写出的句子的中文，键与 words_en_told.js 相同。

export const TOLD = {
  "told.row": "第 {row} 行：{message}",

  // 表格与模板。
  "told.too_many_cells": "有 {cells} 个单元格，但只有 {columns} 列。请给含有分隔符的单元格加上引号，或为每一列命名",
  "told.too_few_cells": "只有 {cells} 个单元格，但有 {columns} 列。请补上缺少的单元格，空的也要补",
  "told.prompt_empty": "提示词是空的。请填写单元格，或删除这一行",
  "told.cell_empty": "{column} 是空的。请填写单元格（例如写“无”），或删除这一行，或不在模板中使用这一列",
  "told.brace": "模板的第 {place} 个字符是单独的 {brace}，要写大括号本身，请写两次",
  "told.no_column_near": "模板中的 {name} 不是列名，您是否想用 {near}？现有的列：{columns}",
  "told.no_column": "模板中的 {name} 不是列名。现有的列：{columns}",
  "told.names_none": "模板没有引用任何列，每一行的提示词都会相同。请用大括号引用一列，现有的列：{columns}",
  "told.not_a_table": "模板只用于表格，而这个文件按 JSON 行读取。请去掉模板，或改用文件名以 .csv 结尾的文件",
  "told.no_template": "请写一个模板，例如“写一篇关于 {first} 的文章”，或把一列命名为 prompt。现有的列：{columns}",

  // 文件是怎样读取的。
  "told.guess": "按 {encoding} 读取，这是根据内容推测的。如果文字显示不正常，请指明编码，或把文件另存为 UTF-8",
  "told.streamed": "“{name}”已忽略：每个任务都以流式生成，结果总是完整的",
  "told.kept": "“{name}”已忽略：批次中的每一行都在后台生成并保存",
  "told.no_name": "第 {place} 列没有名称，已忽略",
  "told.stray": "未成对的引号已按单元格内容读取",
  "told.blank": "已忽略没有内容的行",

  // 未通过验收的文本怎样结尾。
  "told.end.fence": "代码块没有闭合",
  "told.end.formula": "公式没有闭合",
  "told.end.code": "行内代码没有闭合：{end}",
  "told.end.none": "没有文字",
  "told.end.heading": "以标题结尾：{end}",
  "told.end.sentence": "最后一句没有写完：{end}",
  "told.end.table_begun": "表格只有开头：{end}",
  "told.end.table_empty": "表格没有内容",
  "told.end.row_short": "表格的最后一行只有 {cells} 个单元格，应有 {all} 个：{end}",
  "told.end.row_open": "表格的最后一行没有闭合：{end}",
  "told.end.cut": "在 token 上限处或被内容过滤器截断",
  "told.no_language": "无法判断",
};
