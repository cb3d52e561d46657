-- Words that say how hard a task is, by language. Latin and Cyrillic words count as whole words, CJK ones anywhere.
return {
  reasoning = {
    "step by step", "prove", "proof", "derive", "derivation", "reason through", "think carefully", "analyze", "analyse",
    "trade offs", "tradeoffs", "compare and contrast", "justify", "root cause", "why does", "evaluate", "optimize",
    "beweise", "begründe", "schritt für schritt", "démontre", "étape par étape", "paso a paso", "demuestra", "докажи",
    "逐步", "一步一步", "证明", "推导", "推理", "分析", "论证", "权衡", "比较", "优化", "原因", "為什麼", "为什么",
    "証明", "段階的", "分析して", "なぜ", "증명", "단계별", "분석",
  },
  code = {
    "function", "class", "def", "import", "return", "async", "await", "select", "refactor", "debug", "stack trace",
    "exception", "segfault", "regex", "unit test", "compile", "sql", "python", "javascript",
    "typescript", "rust", "golang",
    "代码", "函数", "程序", "调试", "编译", "重构", "报错", "単体テスト", "コード", "関数", "코드", "함수",
  },
  technical = {
    "algorithm", "architecture", "distributed", "concurrency", "latency", "throughput", "encryption", "kubernetes",
    "database", "schema", "theorem", "integral", "differential", "matrix", "statistics", "regression", "quantum",
    "neural", "protocol", "compliance", "contract", "liability", "valuation", "diagnosis",
    "算法", "架构", "分布式", "并发", "加密", "数据库", "定理", "积分", "微分", "矩阵", "统计", "回归", "合同", "估值", "诊断",
    "アルゴリズム", "データベース", "알고리즘", "데이터베이스",
  },
  steps = {
    "first", "then", "finally", "afterwards", "next step", "requirements", "constraints", "must not", "at least",
    "首先", "其次", "然后", "接着", "最后", "要求", "不超过", "至少", "まず", "次に", "最後に", "먼저", "그다음",
  },
  simple = {
    "hello", "hi", "hey", "thanks", "thank you", "what is", "who is", "when is", "define", "translate", "spell",
    "summarize", "rephrase", "yes or no", "hallo", "danke", "bonjour", "merci", "hola", "gracias", "привет", "спасибо",
    "你好", "您好", "谢谢", "翻译", "是什么", "什么是", "总结", "改写", "こんにちは", "ありがとう", "翻訳", "안녕", "번역",
  },
}
